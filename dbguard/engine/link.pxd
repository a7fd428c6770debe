cdef class Link:
    cdef public object to_client
    cdef public object to_server
    cdef public object lane
    cdef public object _queue
    cdef public object staged
    cdef public object staged_size
    cdef public bytes status
    cdef public bint worked
    cdef public bint ended
    cdef public bint pipeline_open
    cdef public object forming
    cdef public object skip
    cdef public bint closed
    cdef public bint passing
    cdef public bint farewell
    cdef public bint unflushed


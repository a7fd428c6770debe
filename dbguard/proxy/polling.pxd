cimport cython


cdef class Poll:
    cdef object _epoll
    cdef object _ask
    cdef dict _watched
    cdef dict _keys
    cdef list _ends
    cdef object _late
    cdef double _late_at
    cdef public bint interrupted
    cdef public object failed

    cpdef watch(self, int descriptor, watched, int events, int before)
    cpdef at_turn_end(self, call)
    @cython.locals(ends=list)
    cdef _end_turn(self)
    cdef _called(self, call)
    cdef _serve(self, watched, int events)
    @cython.locals(until=double, wait=double, left=double, now=double, found=list, descriptor=int, events=int)
    cpdef list select(self, timeout=*)

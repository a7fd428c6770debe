cimport cython


cdef class Journal:
    cdef readonly bint durable
    cdef object _directory
    cdef object _storage
    cdef long long _segment_bytes
    cdef long long _age
    cdef long long _ends
    cdef long long _sequence
    cdef bytes _hash
    cdef object _last_segment
    cdef object _before
    cdef object _segment
    cdef list _hashes
    cdef public object segment_ends
    cdef long long _size
    cdef long long _synced
    cdef list _pieces
    cdef object _synced_last
    cdef Py_ssize_t _synced_hashes
    cdef long long _told
    cdef bint _sync_failed
    cdef bint _damaged
    cdef object _file
    cdef object _head_file

    cpdef bint ends_segment(self, long long moment) except -1
    @cython.locals(hashes=list, known=Py_ssize_t, data=bytes, first=cython.longlong)
    cpdef write(self, list entries)

cdef class Watched:
    cdef public str name
    cdef public object lock
    cdef public Py_ssize_t users
    cdef public bint polled
    cdef public object connection
    cdef public object snapshot
    cdef public str document
    cdef public object system
    cdef public str fingerprint
    cdef public bint recovering
    cdef public tuple recent
    cdef public Py_ssize_t asked
    cdef public Py_ssize_t done
    cdef public double loaded
    cdef public double confirmed
    cdef public long long generation
    cdef public long long shown

    cpdef object standing(self, long long generation, double stale_seconds)

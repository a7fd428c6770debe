cdef class Latch:
    cdef bint _set
    cdef public tuple _waiting

    cpdef bint is_set(self)
    cpdef set(self)
    cpdef clear(self)

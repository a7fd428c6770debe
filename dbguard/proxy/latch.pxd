cdef class Latch:
    cdef bint _set
    cdef tuple _waiting

    cpdef bint is_set(self)
    cpdef set(self)
    cpdef clear(self)

cdef class Pace:
    cdef double _seconds

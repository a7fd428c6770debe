cdef class Pace:
    cdef double _seconds
    cdef long long _pause
    cdef long long _until

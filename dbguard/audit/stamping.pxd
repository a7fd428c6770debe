cdef class Stamps:
    cdef object _clock, _elapsed
    cdef long long _last, _monotonic, _wall

    cpdef tuple take(self)
    cpdef tuple mark(self)

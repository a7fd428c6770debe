cdef class Ledger:
    cdef public long long next
    cdef public long long kept
    cdef public object outage
    cdef public bint closing
    cdef public bint finished
    cdef object _gaps
    cdef long long _gaps_forgotten

    cpdef bint surely_keeps(self, long long sequence) except -1

cimport cython

from dbguard.catalog.watched cimport Watched


cdef class Standing:
    cdef object _hub
    cdef object _drifts
    cdef object _generations
    cdef double _stale_seconds
    cdef readonly Watched watched
    cdef readonly object snapshot
    cdef object _policy
    cdef object _revision
    cdef object _key

    @cython.locals(watched=Watched, generation=cython.longlong)
    cpdef object key(self)

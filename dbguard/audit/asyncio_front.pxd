cimport cython

from dbguard.audit.commits cimport Commits
from dbguard.audit.ledger cimport Ledger


cdef class AsyncAudit:
    cdef object _log
    cdef object _loop
    cdef object _at_turn_end
    cdef dict _waiting
    cdef list _calls
    cdef object _within
    cdef Commits _commits
    cdef Ledger _ledger
    cdef bint _commit_scheduled
    cdef bint _commit_is_near
    cdef bint _committing
    cdef object _thread
    cdef object _end
    cdef object __weakref__

    cpdef append(self, record)
    cpdef append_outcome(self, record)
    cdef _commit_here(self)
    cpdef when_known(self, long long sequence, call)
    @cython.locals(ready=list, rest=list, kept=cython.longlong, sequence=cython.longlong, failing=bint)
    cpdef _wake(self)

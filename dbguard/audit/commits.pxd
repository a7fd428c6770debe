cimport cython

from dbguard.audit.journal cimport Journal
from dbguard.audit.ledger cimport Ledger
from dbguard.audit.pace cimport Pace
from dbguard.audit.stamping cimport Stamps

cdef class Commits:
    cdef public Journal journal
    cdef public object checkpoints
    cdef public Ledger ledger
    cdef public list queue
    cdef public object disk
    cdef public object lock
    cdef public object work
    cdef public object progress
    cdef public bint asleep
    cdef public bint hurried
    cdef public tuple subscribers
    cdef public Py_ssize_t watchers
    cdef Stamps _stamps
    cdef tuple _kept_mark
    cdef tuple _written_mark
    cdef long long _written
    cdef bint _syncing
    cdef public Pace pace

    @cython.locals(ledger=Ledger, queue=list, sequence=cython.longlong, now=object)
    cpdef long long append(self, bytes body, bint together, bint promised) except -1
    cdef _rouse(self)
    @cython.locals(ledger=Ledger, batch=list, mark=tuple)
    cpdef bint at_once(self) except -1
    cdef bint _sync_at_once(self) except -1
    @cython.locals(ledger=Ledger)
    cdef bint _may_write(self, list batch) except -1
    cdef _keep(self, long long sequence, object outage, tuple mark)
    cdef _tell(self)

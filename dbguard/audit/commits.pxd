cimport cython

from dbguard.audit.ledger cimport Ledger
from dbguard.audit.stamping cimport Stamps

cdef class Commits:
    cdef public object journal
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
    cdef object _kept_mark

    @cython.locals(ledger=Ledger, queue=list, sequence=object, now=object)
    cpdef object append(self, bytes body, bint together)
    @cython.locals(ledger=Ledger, batch=list)
    cpdef bint at_once(self) except -1
    @cython.locals(ledger=Ledger)
    cdef bint _may_write(self, list batch) except -1
    cdef _keep(self, object sequence, object outage, object mark)
    cdef _tell(self)
    cdef _notify(self)
    cdef _call(self)

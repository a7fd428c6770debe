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
    cdef Stamps _stamps
    cdef object _kept_mark

    @cython.locals(ledger=Ledger, queue=list, sequence=object, now=object)
    cpdef object append(self, bytes body, bint together)

from dbguard.audit.asyncio_front cimport AsyncAudit
from dbguard.proxy.standing cimport Standing


cdef class SessionSurroundings:
    cdef object _hub
    cdef str _database
    cdef object _last
    cdef object _key
    cdef tuple _key_of
    cdef Standing _standing
    cdef AsyncAudit _audit
    cdef object _count
    cdef public object monotonic

    cpdef object standing_key(self)
    cpdef object record(self, object record)
    cpdef object record_outcome(self, object record)

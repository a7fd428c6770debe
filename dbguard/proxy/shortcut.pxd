from dbguard.audit.asyncio_front cimport AsyncAudit
from dbguard.engine.lane cimport Lane
from dbguard.engine.link cimport Link
from dbguard.proxy.channel cimport Channel
from dbguard.proxy.latch cimport Latch


cdef class Shortcut:
    cdef Link _link
    cdef Lane _lane
    cdef Channel _client
    cdef Channel _server
    cdef AsyncAudit _audit
    cdef Latch _forwarded
    cdef object _left
    cdef public bint leaving
    cdef public double moved_at
    cdef public bint client_waits
    cdef public bint server_waits
    cdef object _undecided
    cdef bint _taken
    cdef bytes _withdrawn
    cdef object _call

    cdef bint _take(self, bytes data) except -1
    cpdef _decided(self, bint kept)
    cdef bint _give(self, bytes data) except -1

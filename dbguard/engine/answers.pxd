cimport cython

from dbguard.engine.link cimport Link
from dbguard.engine.names cimport NameTable
from dbguard.engine.outcomes cimport Outcomes
from dbguard.engine.scope cimport Scope

cdef class Answers:
    cdef public str session
    cdef public str user
    cdef public Link link
    cdef public Scope scope
    cdef public NameTable names
    cdef public object surroundings
    cdef public object restricted
    cdef public bint raw_access
    cdef public bint withhold_until_end
    cdef public bint masks_named
    cdef public Outcomes outcomes

    @cython.locals(scope=Scope, link=Link)
    cpdef void at_ready(self, bytes status, Py_ssize_t cycle) except *

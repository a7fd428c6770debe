cimport cython

from dbguard.engine.names cimport NameTable, Prepared
from dbguard.engine.scope cimport Scope
from dbguard.sql.mould cimport Mould

cdef class Known:
    cdef public object plan
    cdef public object basis
    cdef public object principal
    cdef public object texts
    cdef public object decision
    cdef public bint names_masks
    cdef public object effects
    cdef public bint withholds
    cdef public bytes data
    cdef public Prepared prepared
    cdef public object of_parse
    cdef public object stencil
    cdef public object fixed
    cdef public Mould mould
    cdef public tuple sent
    cdef public object columns
    cdef public object key
    cdef public object view
    cdef public object restricted
    cdef public bint raw_access

cdef class Knowledge:
    cdef public object identity
    cdef public Scope scope
    cdef public NameTable names
    cdef public object surroundings
    cdef public dict _queries
    cdef public dict _shapes
    cdef public tuple _recent
    cdef public dict _statements
    cdef public dict _texts

    @cython.locals(known=Known)
    cpdef object query(self, bytes data)
    @cython.locals(stop=Py_ssize_t, known=Known, mould=Mould, literals=list, pieces=list)
    cdef object _moulded(self, bytes data)
    @cython.locals(known=Known, prepared=Prepared)
    cpdef Known statement(self, bytes name)
    cpdef Known text(self, bytes parse)

cimport cython

from dbguard.engine.answers cimport Answers
from dbguard.engine.known cimport Knowledge, Known
from dbguard.engine.link cimport Link
from dbguard.engine.names cimport NameTable, Prepared
from dbguard.engine.scope cimport Scope

cdef class Group:
    cdef public Known known
    cdef public bytes data
    cdef public bytes received
    cdef public object decision
    cdef public double started
    cdef public bint described
    cdef public object parsed
    cdef public Prepared prepared
    cdef public bytes tag
    cdef public Py_ssize_t rows
    cdef public Py_ssize_t size
    cdef public bytes columns
    cdef public bytes status

cdef class Lane:
    cdef public object identity
    cdef public Link link
    cdef public Scope scope
    cdef public NameTable names
    cdef public Answers answers
    cdef public object surroundings
    cdef public Group group
    cdef public bint sent
    cdef public Knowledge knowledge

    @cython.locals(kind=int, begin=Py_ssize_t, end=Py_ssize_t, tail=Py_ssize_t, described=bint,
                   stop=Py_ssize_t,
                   known=Known, bound=Known)
    cpdef object offer(self, bytes data)
    @cython.locals(known=Known, before=Prepared, made=Prepared)
    cdef object _parsed(self, bytes data, Py_ssize_t bind, bint described)
    @cython.locals(link=Link, scope=Scope)
    cdef bint _holds(self, Known known) except -1
    @cython.locals(answers=Answers)
    cdef object _take(self, Known known, bytes sent, bytes received, bint described, Prepared prepared)
    cpdef bytes send(self)
    cpdef bytes withdraw(self)
    cpdef bint answer(self, bytes data) except -1
    @cython.locals(group=Group, known=Known, position=Py_ssize_t, size=Py_ssize_t, end=Py_ssize_t,
                   first=Py_ssize_t, rows=Py_ssize_t, of_rows=Py_ssize_t, shows=bint,
                   columns=bytes, tag=bytes, status=bytes)
    cdef bint _is_whole(self, bytes data) except -1
    cdef bint _shows_nothing(self, Known known, bytes columns) except -1
    @cython.locals(group=Group, known=Known, link=Link, names=NameTable, prepared=Prepared,
                   tag=bytes, columns=bytes, status=bytes)
    cpdef void finish(self) except *
    cpdef void materialise(self) except *


cpdef Py_ssize_t end_of(bytes data, Py_ssize_t start) except -1

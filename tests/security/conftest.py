from ..system.conftest import private as private

"""Whether an object may be stored: the checks of an API server that are worth having.

`validate` looks at an object alone (with its defaults filled in), `validate_update` at what may
change. Both return every mistake at once, with the messages of the real API server.
"""

from podready.kube.validation.field_error import FieldError
from podready.kube.validation.kinds import validate, validate_update

__all__ = ["FieldError", "validate", "validate_update"]

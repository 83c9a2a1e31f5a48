"""What a JSON schema says of a value: the few keywords that pydantic writes, each as its definition reads."""

_TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
    "null": type(None),
}  # fmt: skip
_LIMITS = {
    "minimum": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
    "exclusiveMinimum": lambda value, limit: value > limit,
    "minLength": lambda value, limit: len(value) >= limit,
    "minItems": lambda value, limit: len(value) >= limit,
    "minProperties": lambda value, limit: len(value) >= limit,
    "multipleOf": lambda value, limit: value % limit == 0,
    "const": lambda value, wanted: value == wanted,
    "enum": lambda value, wanted: value in wanted,
}
_IGNORED = {"$schema", "$defs", "title", "description", "default", "then", "properties"}


def is_valid(schema, value, root=None):
    """Whether a value satisfies a schema."""
    root = schema if root is None else root
    schema = {"additionalProperties": True, **schema}
    return all(_holds(key, wanted, value, schema, root) for key, wanted in schema.items() if key not in _IGNORED)


def _holds(key, wanted, value, schema, root):
    if key == "$ref":
        return is_valid(root["$defs"][wanted.rsplit("/", 1)[1]], value, root)
    if key == "anyOf":
        return any(is_valid(each, value, root) for each in wanted)
    if key == "not":
        return not is_valid(wanted, value, root)
    if key == "if":
        return not is_valid(wanted, value, root) or is_valid(schema["then"], value, root)
    if key == "type":
        return isinstance(value, _TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
    if key == "required":
        return not isinstance(value, dict) or all(name in value for name in wanted)
    if key == "items":
        return not isinstance(value, list) or all(is_valid(wanted, each, root) for each in value)
    if key == "additionalProperties":
        return not isinstance(value, dict) or _fits(value, schema.get("properties", {}), wanted, root)
    return _LIMITS[key](value, wanted)


def _fits(value, known, others, root):
    """Every key is known and right, or allowed beside these."""
    for key, each in value.items():
        rule = known.get(key, others)
        if rule is False or (rule is not True and not is_valid(rule, each, root)):
            return False
    return True

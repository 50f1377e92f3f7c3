import fake_behaviour as fake


def asarray(rows, dtype):
    assert dtype == "float32"
    return fake.Array(rows, "jax")

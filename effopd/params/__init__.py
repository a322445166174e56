"""The schema of params.yaml: one frozen pydantic model per section, each in a module of its own.

A stage imports only the sections it reads, so that a new knob in one section leaves the other stages' results valid.
`section` holds what the models share, `schema` puts them together and checks a whole file.
"""

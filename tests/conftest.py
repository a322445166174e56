"""What all tests share: an environment in which a user's own settings play no part."""

from dvc_project import clean_environment  # noqa: F401  (a fixture for every test)

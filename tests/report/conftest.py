import pytest

from tests.report.fakes import make_result


@pytest.fixture
def result():
    return make_result()

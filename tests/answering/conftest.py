from tests.serving import serve as serve

"""Reading inputs whole, and resuming after each item; for the tests of sources."""

from pixmill.batch.source import SourceOptions, open_source

NOT_UTF8 = "the line is not valid UTF-8"


def read(*inputs, **options):
    return list(open_source(inputs, SourceOptions(**options)).items())


def brief(items):
    return [(item.line, item.url, item.error) for item in items]


def assert_resumes_everywhere(source):
    """Reading after any item gives exactly the rest."""
    whole = list(source.items())
    for place, item in enumerate(whole):
        assert list(source.items((item.line, item.position))) == whole[place + 1 :]


def writer(folder):
    """Give a function that writes a file, its directories too, and gives its path."""

    def write(name, content=b""):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write

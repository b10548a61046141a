"""Reading inputs whole, and resuming after each item; for the tests of sources."""

import gzip

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


def mixed_inputs(put):
    """Inputs of every kind, in a row, with blank lines at their ends."""
    folder = put("folder/b.png").parent
    put("folder/a/c.gif")
    return [
        put("a.txt", "\nhttp://a/\n\n\n"),
        put("empty.txt"),
        folder,
        put("b.csv", 'x,url\n"1\n2",http://b/\n\n'),
        put("single.png"),
        put("c.jsonl.gz", gzip.compress(b'"http://c/"\n\n"http://d/"')),
        put("d.txt", "http://e/"),
    ]

"""Reads C++ text well enough to measure it: blanks comments and literals, finds functions.

No parser: it knows the shapes that clang-format leaves behind, which is what all files here have.
"""
import re

# In this order: what starts first hides the rest.
_SKIP = re.compile(
    r"//[^\n]*"
    r"|/\*.*?\*/"
    r'|R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-zA-Z_])'(?:\\.[^']*|[^'\\\n])'",
    re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE)
_TYPE_HEAD = re.compile(
    r"(?:typedef |inline |export )*(?:class|struct|union|enum|namespace|extern)\b")


def _blank(match):
    """Spaces of the same shape, so that line and column of all else stay."""
    return re.sub(r"[^\n]", " ", match.group())


def code_only(text):
    """`text` with comments, literals and preprocessor lines blanked."""
    return _DIRECTIVE.sub(_blank, _SKIP.sub(_blank, text))


def without_comments(text):
    """`text` with comments blanked; literals stay, since includes are written with them."""
    def keep_literals(match):
        return _blank(match) if match.group().startswith("/") else match.group()
    return _SKIP.sub(keep_literals, text)


def includes(text):
    """[(line, header)] of each #include."""
    found = []
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]',
                             without_comments(text), re.MULTILINE):
        found.append((text.count("\n", 0, match.start()) + 1, match.group(1)))
    return found


def _without_template_lists(head):
    """Drops `template <...>` prefixes, nested angles included."""
    head = head.strip()
    while head.startswith("template"):
        start = head.find("<")
        if start < 0:
            return head
        depth, end = 0, start
        for end in range(start, len(head)):
            depth += {"<": 1, ">": -1}.get(head[end], 0)
            if depth == 0:
                break
        head = head[end + 1:].strip()
    return head


def _opens_function(head):
    head = _without_template_lists(head)
    return "(" in head and not _TYPE_HEAD.match(head)


def functions(text):
    """[(first line, last line, head)] of each function body outside of other functions.

    A lambda counts for the function around it. The head is the text before the brace.
    """
    code = code_only(text)
    found = []
    stack = []        # for each open brace: "scope", "initializer" or (start offset, head)
    head_start = 0
    inside = 0        # braces open within a function
    for match in re.finditer(r"[{};]", code):
        at, char = match.start(), match.group()
        if char == "{":
            head = code[head_start:at]
            if inside or stack and stack[-1] == "initializer":
                stack.append("inner")
                inside += 1 if inside else 0
            elif at > 0 and re.match(r"[\w>=,(]", code[at - 1]):
                stack.append("initializer")      # `values_{0}`, `f({...})`: no scope of its own
                continue
            elif _opens_function(head) and not head.rstrip().endswith("="):
                lead = len(head) - len(head.lstrip())
                stack.append((head_start + lead, head.strip()))
                inside = 1
            else:
                stack.append("scope")
            head_start = at + 1
        elif char == "}" and stack:
            top = stack.pop()
            if inside:
                inside -= 1
            if isinstance(top, tuple):
                found.append((code.count("\n", 0, top[0]) + 1, code.count("\n", 0, at) + 1, top[1]))
            if top != "initializer":
                head_start = at + 1
        elif char == ";" and not inside:
            head_start = at + 1
    return found

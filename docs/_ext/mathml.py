"""Equations as MathML, written at build time by docutils: no script, no font and no network in the page."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

_log = logging.getLogger(__name__)


def to_mathml(node: nodes.Node, as_block: bool) -> str:
    """MathML of a math node; an equation that docutils cannot read becomes a warning and stays TeX."""
    tex = re.sub(r"\s*\n\s*", " ", node.astext().strip())
    try:
        return tex2mathml(tex, as_block=as_block)
    except (MathError, SyntaxError) as error:
        _log.warning("equation %r cannot be written as MathML: %s", tex, error, location=node)
        return f"<code>{node.astext()}</code>"


def visit_inline(translator, node):
    translator.body.append(to_mathml(node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator, node):
    # Room above and below, or the theme's wrapper shows a scroll bar where a font is tall.
    translator.body.append(f'<div style="padding: 0.5em 0">{to_mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

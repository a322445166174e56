"""How studies are shown: a page with a chapter for each, and docs/findings.md, with every claim under every study."""

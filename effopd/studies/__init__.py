"""Studies: a question to several runs of the pipeline that differ in their params, and what came of it, as numbers.

A study is a file in profiles/studies (`spec`), the runs that it asks for (`variants`), and a module that concludes.
"""

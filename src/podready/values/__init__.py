"""Values that people write as text: booleans, durations, sizes; and names they may misspell.

Flags, environment variables and TOML files are read by these modules, so that one text means the
same in all of them. A ValueError's text says what was expected: the second half of the sentence
`"soon" is not ...`.
"""

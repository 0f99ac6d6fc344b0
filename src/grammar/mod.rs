//! What may be heard, and how it is told: SRGS, builtin grammars, NLSML and JSON results.

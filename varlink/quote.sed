# Makes each line a C string literal.
s/["\\]/\\&/g
s/.*/"&\\n"/

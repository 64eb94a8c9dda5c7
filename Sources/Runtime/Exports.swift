// One import is enough for a program that samples: what the public declarations here are made of comes along.
// Type aliases would not do, because members of a type are visible only where the module that defines it is.
@_exported public import AdapterFormat
@_exported public import ModelFiles
@_exported public import Tokenization

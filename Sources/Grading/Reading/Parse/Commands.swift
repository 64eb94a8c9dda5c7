/// The meanings of LaTeX commands and words.
enum Commands {
  static let greek: Set<String> = [
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota",
    "kappa", "lambda", "mu", "nu", "xi", "rho", "varrho", "sigma", "varsigma", "tau", "upsilon", "phi",
    "varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma", "Upsilon", "Phi",
    "Psi", "Omega", "ell", "hbar", "partial", "nabla", "mho", "aleph", "imath", "jmath",
  ]

  /// Functions that stand before their argument, with the name that expressions use.
  static let functions: [String: String] = [
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "cosec": "csc",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "asin": "asin", "acos": "acos", "atan": "atan",
    "arccot": "acot", "tg": "tan", "ctg": "cot", "arctg": "atan", "sinh": "sinh", "cosh": "cosh",
    "tanh": "tanh", "coth": "coth", "ln": "ln", "log": "log", "lg": "lg", "exp": "exp", "gcd": "gcd",
    "lcm": "lcm", "max": "max", "min": "min", "det": "det", "Re": "Re", "Im": "Im", "arg": "arg",
    "sgn": "sgn", "abs": "abs", "floor": "floor", "ceil": "ceil", "sqrt": "sqrt", "cbrt": "cbrt",
    "factorial": "factorial", "binomial": "binom", "binom": "binom", "cis": "cis",
  ]

  static let relations: [String: Expression.Relation] = [
    "le": .lessOrEqual, "leq": .lessOrEqual, "leqslant": .lessOrEqual, "leqq": .lessOrEqual, "lt": .less,
    "ge": .greaterOrEqual, "geq": .greaterOrEqual, "geqslant": .greaterOrEqual, "geqq": .greaterOrEqual,
    "gt": .greater, "ne": .notEqual, "neq": .notEqual, "approx": .approximately, "simeq": .approximately,
    "sim": .approximately, "cong": .approximately, "approxeq": .approximately, "in": .memberOf,
    "equiv": .congruent, "to": .implies, "rightarrow": .implies, "Rightarrow": .implies, "implies": .implies,
    "longrightarrow": .implies, "Longrightarrow": .implies, "iff": .implies, "Leftrightarrow": .implies,
    "mapsto": .implies, "doteq": .equal, "coloneqq": .equal,
  ]

  static let others: Set<String> = [
    "frac", "dfrac", "tfrac", "cfrac", "sqrt", "cdot", "times", "div", "ast", "pm", "mp", "pi", "infty",
    "cup", "cap", "bigcup", "bigcap", "setminus", "backslash", "circ", "degree", "prime", "binom", "dbinom",
    "tbinom", "choose", "lfloor", "rfloor", "lceil", "rceil", "langle", "rangle", "lvert", "rvert", "vert",
    "Vert", "lVert", "rVert", "mid", "overline", "bar", "hat", "widehat", "vec", "overrightarrow", "dot",
    "ddot", "tilde", "underline", "mathbb", "sum", "prod", "int", "lim", "iint", "oint", "angle",
    "measuredangle", "triangle", "emptyset", "varnothing", "ldots", "cdots", "dots", "dotsc", "dotsb",
    "dotsm", "vdots", "ddots", "pmod", "bmod", "mod", "land", "lor", "wedge", "vee", "colon", "percent",
    "cents", "pounds", "euro", "lbrace", "rbrace", "lbrack", "rbrack", "bullet", "star", "not", "forall",
    "exists", "parallel", "perp", "operatorname", "over", "lg", "dag", "oplus", "otimes", "mathds", "because",
    "therefore",
  ]

  static let known: Set<String> =
    greek.union(functions.keys).union(relations.keys).union(others)

  /// Whether a doubled backslash before `name` is a slip and not the end of a row.
  static func isUnmistakable(_ name: String) -> Bool {
    name.utf8.count > 1
      && (known.contains(name) || ["left", "right", "text", "boxed", "begin", "mathrm"].contains(name))
  }

  private static let glueable = [
    "qquad", "quad", "cdot", "times", "sqrt", "frac", "infty", "leq", "geq", "neq", "cup", "cap", "pi", "pm",
    "arcsin", "arccos", "arctan", "arccot", "sinh", "cosh", "tanh", "coth", "sin", "cos", "tan", "cot", "sec",
    "csc",
    "log", "ln", "lg", "exp", "circ", "alpha", "beta", "gamma", "delta", "theta", "lambda", "sigma", "omega",
    "phi",
    "rho", "div",
  ]

  /// The command that begins a run of letters, where the whole run is none.
  static func gluedPrefix(of name: String) -> String? {
    glueable.first {
      name.hasPrefix($0) && name.utf8.count > $0.utf8.count
        // \secant is no command that is known, but no secant of "ant" either.
        && (name.utf8.count - $0.utf8.count <= 2
          || ["qquad", "quad", "cdot", "times", "sqrt", "frac"].contains($0))
    }
  }
}

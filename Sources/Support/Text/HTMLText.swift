/// The text with HTML's special characters escaped; control characters, which HTML forbids, become U+FFFD.
package func htmlEscaped(_ text: String) -> String {
  var out = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"": out += "&quot;"
    case "\u{0}"..<"\t", "\u{B}", "\u{C}", "\u{E}"..<" ": out += "\u{FFFD}"
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out
}

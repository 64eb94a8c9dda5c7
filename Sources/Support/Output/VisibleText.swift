/// Text that cannot steer a terminal: control characters and marks that turn the direction of writing become visible as
/// `\u001b`. Ends of lines and tabs stay.
///
/// The form is JSON's own, so that JSON stays valid and means the same.
///
/// - Parameter keepsDirections: whether marks of direction stay, because texts of some languages need them.
package func visible(_ text: String, keepsDirections: Bool = false) -> String {
  guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == 0xC2 || $0 == 0xE2 }) else {
    return text
  }
  var out = ""
  out.reserveCapacity(text.utf8.count)
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 0x09, 0x0A: out.unicodeScalars.append(scalar)
    case 0..<0x20, 0x7F...0x9F: out += escaped(scalar)
    case 0x2028...0x202E, 0x2066...0x2069, 0x200E, 0x200F:
      if keepsDirections { out.unicodeScalars.append(scalar) } else { out += escaped(scalar) }
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out
}

private func escaped(_ scalar: Unicode.Scalar) -> String {
  let digits = String(scalar.value, radix: 16)
  return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
}

/// A share in per cent with two or three significant digits.
func percent(_ share: Double) -> String {
  let value = share * 100
  let digits = abs(value) >= 99.95 ? 1 : abs(value) >= 10 ? 1 : abs(value) >= 1 ? 2 : 3
  return decimal(value, digits) + " %"
}

/// A number with a fixed number of decimals.
func decimal(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite else { return "\(value)" }
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let scaled = (abs(value) * scale).rounded()
  guard scaled < 1e15 else { return "\(value)" }
  let whole = Int(scaled)
  var fraction = String(whole % Int(scale))
  while fraction.count < digits { fraction = "0" + fraction }
  return (value < 0 && whole > 0 ? "-" : "") + "\(whole / Int(scale))" + (digits > 0 ? "." + fraction : "")
}

/// A number as 1.2e-05.
func scientific(_ value: Double) -> String {
  guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
  var exponent = 0
  var mantissa = abs(value)
  while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
  while mantissa < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
  let text = decimal(mantissa, 1)
  if text == "10.0" { return (value < 0 ? "-" : "") + "1.0e\(exponent + 1)" }
  return (value < 0 ? "-" : "") + text + "e\(exponent)"
}

/// A number of bytes in the unit that suits it.
func byteText(_ count: Int) -> String {
  let value = Double(count)
  if value >= 1e9 { return decimal(value / 1e9, 2) + " GB" }
  if value >= 1e6 { return decimal(value / 1e6, 1) + " MB" }
  if value >= 1e3 { return decimal(value / 1e3, 1) + " kB" }
  return "\(count) bytes"
}

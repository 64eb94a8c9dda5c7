/// Equal as bits: NaN equals itself, and -0 differs from 0.
package func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
}

/// ‖a - b‖ / ‖b‖
package func relativeError(_ a: [Float], _ b: [Float]) -> Double {
  var difference = 0.0
  var norm = 0.0
  for (x, y) in zip(a, b) {
    difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
    norm += Double(y) * Double(y)
  }
  return a.count == b.count ? (difference / max(norm, 1e-300)).squareRoot() : .infinity
}

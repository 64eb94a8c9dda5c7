/// How a block of numbers is fitted by codes of four bits. It stands here, where tests are optimised, because it
/// searches.
public enum BlockFit {
  /// The scale and minimum of a group that give the least squares, weighted by size, over a search around the
  /// full range.
  public static func leastSquares(_ x: [Float]) -> (scale: Float, minimum: Float) {
    let size = (x.reduce(0) { $0 + $1 * $1 } / Float(x.count)).squareRoot()
    let weights = x.map { size + abs($0) }
    let low = min(0, x.min()!)
    let high = x.max()!
    guard high > low else { return (0, -low) }
    func codes(_ inverse: Float) -> [Float] {
      x.map { max(0, min(15, (inverse * ($0 - low)).rounded(.toNearestOrEven))) }
    }
    func error(_ codes: [Float], _ scale: Float, _ minimum: Float) -> Float {
      var sum: Float = 0
      for i in x.indices {
        let difference = scale * codes[i] + minimum - x[i]
        sum += weights[i] * difference * difference
      }
      return sum
    }
    var best = (scale: (high - low) / 15, minimum: low)
    var least = error(codes(15 / (high - low)), best.scale, best.minimum)
    for step in 0...20 {
      let codes = codes((14 + 0.1 * Float(step)) / (high - low))
      var (w, wx, wl, wll, wxl) = (Float(0), Float(0), Float(0), Float(0), Float(0))
      for i in x.indices {
        w += weights[i]
        wx += weights[i] * x[i]
        wl += weights[i] * codes[i]
        wll += weights[i] * codes[i] * codes[i]
        wxl += weights[i] * codes[i] * x[i]
      }
      let determinant = w * wll - wl * wl
      guard determinant > 0 else { continue }
      var scale = (w * wxl - wx * wl) / determinant
      var minimum = (wll * wx - wl * wxl) / determinant
      if minimum > 0 { (scale, minimum) = (wxl / wll, 0) }
      let sum = error(codes, scale, minimum)
      if sum < least { (least, best) = (sum, (scale, minimum)) }
    }
    return (best.scale, -best.minimum)
  }
}

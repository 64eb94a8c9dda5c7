extension Duration {
  /// The duration in seconds.
  package var inSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }

  /// How many of something came in a second; nil where there was none, or the time is too short to be one measured.
  package func rate(of count: Int) -> Double? {
    count > 0 && inSeconds >= 1e-6 ? Double(count) / inSeconds : nil
  }
}

/// The quantile of entropies that PyTorch's `torch.quantile` finds: linear between neighbours, in single precision.
enum EntropyQuantile {
  /// - Parameter share: 0 for the smallest value, 1 for the largest.
  static func value(_ entropies: [Float], _ share: Double) -> Float? {
    guard !entropies.isEmpty else { return nil }
    let sorted = entropies.sorted()
    let place = Float(share) * Float(sorted.count - 1)
    let below = min(max(Int(place.rounded(.down)), 0), sorted.count - 1)
    let above = min(below + (place > Float(below) ? 1 : 0), sorted.count - 1)
    let (low, high) = (sorted[below], sorted[above])
    let weight = place - Float(below)
    return weight < 0.5 ? low + weight * (high - low) : high - (high - low) * (1 - weight)
  }
}

import Dispatch
import Foundation
import Synchronization

/// Compares the merged model's logits with those of the base with its adapters attached, at every position of some
/// short texts.
public struct LogitCheck: Sendable, Equatable {
  /// What one probe showed.
  public struct Probe: Sendable, Equatable {
    /// The text; empty if the model has no tokenizer and the ids are made up.
    public let text: String
    /// Its tokens.
    public let ids: [Int]
    /// The first position, counted from 0, at which the forms disagree about the likeliest token; nil if nowhere.
    public let firstDifference: Int?
  }

  /// The probes.
  public private(set) var probes: [Probe] = []
  /// The largest |difference| of a logit.
  public private(set) var maxDifference = 0.0
  /// The distance from the least to the greatest logit of the attached form.
  public private(set) var range = 0.0
  /// The mean over positions of the divergence of the merged distribution from the attached one, in nats.
  public private(set) var meanDivergence = 0.0
  /// The largest over positions.
  public private(set) var maxDivergence = 0.0
  /// Number of positions.
  public private(set) var positions = 0
  /// Positions at which both forms hold the same token for the likeliest.
  public private(set) var agreeing = 0
  /// Whether the merged logits are finite.
  public private(set) var isFinite = true

  /// ``maxDifference`` relative to ``range``.
  public var relativeDifference: Double { range > 0 ? maxDifference / range : maxDifference }

  /// Compares logits of all positions of the probes, on all processors.
  ///
  /// - Parameters:
  ///   - probes: the texts.
  ///   - attached: logits of the attached form.
  ///   - merged: as many of the merged model.
  init(_ probes: LogitProbes, attached: [Float], merged: [Float]) {
    positions = probes.all.reduce(0) { $0 + $1.ids.count }
    let vocabulary = attached.count / max(positions, 1)
    let found = Mutex([Position?](repeating: nil, count: positions))
    DispatchQueue.concurrentPerform(iterations: positions) { index in
      let row = index * vocabulary..<(index + 1) * vocabulary
      let position = Position(attached[row], merged[row])
      found.withLock { $0[index] = position }
    }
    var rest = found.withLock { $0.compactMap { $0 } }[...]
    var divergence = 0.0
    for probe in probes.all {
      let own = rest.prefix(probe.ids.count)
      rest = rest.dropFirst(own.count)
      for position in own {
        isFinite = isFinite && position.divergence.isFinite && position.difference.isFinite
        maxDifference = max(maxDifference, position.difference)
        range = max(range, position.range)
        divergence += position.divergence
        maxDivergence = max(maxDivergence, position.divergence)
        agreeing += position.agrees ? 1 : 0
      }
      let first = own.firstIndex { !$0.agrees }.map { $0 - own.startIndex }
      self.probes.append(Probe(text: probe.text, ids: probe.ids, firstDifference: first))
    }
    meanDivergence = divergence / Double(max(positions, 1))
  }

  /// What one position shows.
  struct Position {
    /// The largest |difference| of a logit.
    let difference: Double
    /// From the least to the greatest logit of the attached form.
    let range: Double
    /// Σ p · (ln p − ln q), with p of the attached form.
    let divergence: Double
    /// Whether the likeliest token is the same.
    let agrees: Bool

    init(_ attached: ArraySlice<Float>, _ merged: ArraySlice<Float>) {
      var (low, high, mergedHigh) = (Float.infinity, -Float.infinity, -Float.infinity)
      var (best, mergedBest) = (0, 0)
      var difference: Float = 0
      var isFinite = true
      for (i, (p, q)) in zip(attached, merged).enumerated() {
        low = min(low, p)
        if p > high { (high, best) = (p, i) }
        if q > mergedHigh { (mergedHigh, mergedBest) = (q, i) }
        isFinite = isFinite && q.isFinite
        difference = max(difference, abs(p - q))
      }
      range = Double(high - low)
      agrees = best == mergedBest
      guard isFinite else {
        self.difference = .infinity
        divergence = .infinity
        return
      }
      self.difference = Double(difference)
      var (sum, mergedSum, weighted) = (0.0, 0.0, 0.0)
      for (a, b) in zip(attached, merged) {
        // Beyond this the terms are below a double's last digit.
        let p = Double(a - high)
        let q = Double(b - mergedHigh)
        let e = p < -60 ? 0 : exp(p)
        sum += e
        mergedSum += q < -60 ? 0 : exp(q)
        weighted += e * (p - q)
      }
      divergence = max(weighted / sum - log(sum) + log(mergedSum), 0)
    }
  }
}

/// What guessing has gained and cost, in steps without guesses. When it is empty, only the allowance is spent.
struct DraftAccount {
  /// What each step adds, so that an empty account is tried again.
  let allowance: Double
  /// What it holds at most.
  let most: Double
  private var balance: Double

  init(beginning: Double, allowance: Double, most: Double) {
    self.allowance = allowance
    self.most = most
    balance = beginning
  }

  var isOpen: Bool { balance > 0 }

  /// Closes a step that gained so much; less than 0 for a loss.
  mutating func close(gain: Double = 0) { balance = min(balance + allowance + gain, most) }
}

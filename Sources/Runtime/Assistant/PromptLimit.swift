package import Tokenization

extension Tokenizer {
  /// The most bytes of text that so many tokens can stand for. Longer texts need not be tokenised to be refused.
  package func byteLimit(tokens: Int) -> Int {
    let longest = (0..<idCount).reduce(1) { max($0, utf8(of: $1)?.count ?? 0) }
    // Normalisation makes a text shorter, by a factor of three at most.
    let (limit, overflow) = tokens.multipliedReportingOverflow(by: 3 * longest)
    return overflow ? .max : limit
  }
}

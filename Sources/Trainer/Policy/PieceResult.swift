import Processes

/// What a process finds besides the gradient in one piece of a step: one pass through the model.
struct PieceResult {
  /// The piece's place in the step.
  let piece: Int
  /// Numbers that all processes fold in the order of the pieces. Empty when the piece failed.
  var numbers: [Double] = []
  /// Why its numbers are not finite; nil if they are.
  var failure: String?

  static func bytes(_ results: [PieceResult]) -> [UInt8] {
    Message { message in
      message.add(results.count)
      for result in results {
        message.add(result.piece)
        message.add(result.numbers)
        message.add(result.failure ?? "")
      }
    }.bytes
  }

  static func read(_ bytes: [UInt8]) throws(ProcessError) -> [PieceResult] {
    var reader = MessageReader(bytes)
    return try (0..<reader.count()).map { (_) throws(ProcessError) in
      var result = PieceResult(piece: try reader.int(), numbers: try reader.doubles())
      let failure = try reader.text()
      if !failure.isEmpty { result.failure = failure }
      return result
    }
  }
}

/// The order in which a step's pieces are dealt out and added up.
enum PieceOrder {
  /// Longer ones first, so that pieces of a round are alike and no process waits long for another.
  static func longestFirst<Piece>(_ pieces: [Piece], _ length: (Piece) -> Int) -> [Piece] {
    pieces.enumerated().map { (length: length($1), place: $0, piece: $1) }
      .sorted { ($1.length, $0.place) < ($0.length, $1.place) }
      .map(\.piece)
  }
}

extension ProcessGroup {
  /// The numbers that each process has for its share of some pieces, in the order of the pieces.
  func collect(_ mine: [[Float]], of pieces: Int) throws -> [[Float]] {
    guard count > 1 else { return mine }
    let message = Message { message in for numbers in mine { message.add(numbers) } }
    var readers = try gather(message.bytes).map { MessageReader($0) }
    return try (0..<pieces).map { try readers[$0 % count].floats() }
  }
}

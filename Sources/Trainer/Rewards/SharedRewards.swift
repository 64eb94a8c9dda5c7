import Processes

extension ProcessGroup {
  /// Gives all processes the rewards that the first one has computed.
  ///
  /// - Parameters:
  ///   - mine: `[group][reward][completion]`; what others than the first give is left out.
  ///   - failure: why the first one has none, in which case all fail.
  func rewardsOfFirst(_ mine: [[[Double?]]], _ failure: (any Error)?) throws -> [[[Double?]]] {
    guard count > 1 else {
      if let failure { throw failure }
      return mine
    }
    let bytes = try fromFirst { () throws -> [UInt8] in
      if let failure { throw failure }
      return Message { message in
        message.add(mine.count)
        for group in mine {
          message.add(group.count)
          // Values are finite, so that this one says that there is none.
          for row in group { message.add(row.map { $0 ?? .nan }) }
        }
      }.bytes
    }
    var reader = MessageReader(bytes)
    var values: [[[Double?]]] = []
    for _ in 0..<(try reader.count()) {
      var group: [[Double?]] = []
      for _ in 0..<(try reader.count()) {
        group.append(try reader.doubles().map { $0.isNaN ? nil : $0 })
      }
      values.append(group)
    }
    return values
  }
}

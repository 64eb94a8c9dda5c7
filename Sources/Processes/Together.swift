import ModelFiles
import Support

extension ProcessGroup {
  /// Whether this process writes files and speaks to people.
  package var isFirst: Bool { rank == 0 }

  /// This process as people know it.
  package var name: String { name(of: rank) }

  /// Which of some pieces of work are this process's: with n processes each has every n-th.
  package func share(of pieces: Int) -> StrideTo<Int> { stride(from: rank, to: pieces, by: count) }

  /// Whether any process says so.
  package func any(_ flag: Bool) throws -> Bool {
    try count == 1 ? flag : gather([flag ? 1 : 0]).contains([1])
  }

  /// What the first process says.
  package func first(_ flag: Bool) throws -> Bool {
    try count == 1 ? flag : gather([flag ? 1 : 0])[0] == [1]
  }

  /// Does what may fail in one process and not in others: all go on, or all fail.
  ///
  /// - Throws: the error of this process as ``ProcessFailure``; where only others have failed, ``FailedElsewhere``. An
  ///   error that all have alike is the first one's alone. In a task of one process, the error itself.
  @discardableResult package func together<Value>(_ work: () throws -> Value) throws -> Value {
    guard count > 1 else { return try work() }
    let outcome = Result { try work() }
    var mine = ""
    if case .failure(let error) = outcome { mine = errorText(error) }
    let all = try gather(Array(mine.utf8))
    guard let failed = all.firstIndex(where: { !$0.isEmpty }) else { return try outcome.get() }
    guard case .failure(let error) = outcome else { throw FailedElsewhere(name: name(of: failed)) }
    let isCommon = all.allSatisfy { $0 == all[0] }
    if isCommon, !isFirst { throw FailedElsewhere(name: name(of: failed)) }
    throw ProcessFailure(name: isCommon ? nil : name, error: error, text: mine)
  }

  /// Does something in the first process; all learn what comes out.
  package func fromFirst(_ work: () throws -> [UInt8]) throws -> [UInt8] {
    let mine = try together { try isFirst ? work() : [] }
    return try count == 1 ? mine : gather(mine)[0]
  }

  /// The least of the numbers that the processes give.
  package func least(_ number: Int) throws -> Int {
    guard count > 1 else { return number }
    var result = number
    for bytes in try gather(Message { $0.add(number) }.bytes) {
      var reader = MessageReader(bytes)
      result = min(result, try reader.int())
    }
    return result
  }

  /// Refuses to go on unless all processes state the same facts.
  ///
  /// - Parameters:
  ///   - facts: names and values, the same names in all processes.
  ///   - advice: what the reader of the error can do.
  /// - Throws: ``ProcessError`` that names fact, process and host; elsewhere ``FailedElsewhere``.
  package func compare(_ facts: [(name: String, value: String)], place: String = "", advice: String) throws {
    guard count > 1 else { return }
    let message = Message { message in
      message.add(facts.count)
      for fact in facts {
        message.add(fact.name)
        message.add(fact.value)
      }
    }
    let all = try gather(message.bytes).map { bytes in
      var reader = MessageReader(bytes)
      return try (0..<reader.count()).map { _ in (name: try reader.text(), value: try reader.text()) }
    }
    for (other, theirs) in all.enumerated() {
      for (i, (name, value)) in all[0].enumerated() {
        guard i < theirs.count, theirs[i].name == name else {
          throw disagreement(other, place, "no \(name)", "\(name) \(value)", advice)
        }
        guard theirs[i].value != value else { continue }
        throw disagreement(
          other, place, "\(name) \(theirs[i].value.prefix(64))", "\(value.prefix(64))", advice)
      }
    }
  }

  /// All come to the same verdict; the first one tells it.
  private func disagreement(
    _ other: Int, _ place: String, _ found: String, _ expected: String, _ advice: String
  ) -> any Error {
    guard isFirst else { return FailedElsewhere(name: name(of: other)) }
    let error = ProcessError(
      .different, file: name(of: other), place: place, found: found,
      expected: expected + ", as \(name(of: 0)) has it", advice: advice)
    return ProcessFailure(name: nil, error: error, text: error.description)
  }
}

/// Sets of real numbers as unions of intervals and points.
enum RealSets {
  struct Piece: Sendable {
    var left: Expression
    var right: Expression
    var isLeftClosed: Bool
    var isRightClosed: Bool
  }

  static let infinity = Expression.constant(.infinity)
  static let negativeInfinity = Expression.negative(.constant(.infinity))
  static func isInfinite(_ e: Expression) -> Bool { e.key == infinity.key || e.key == negativeInfinity.key }
  private static let line = Piece(
    left: negativeInfinity, right: infinity, isLeftClosed: false, isRightClosed: false)

  /// The intervals and points of a set; nil for anything else.
  static func pieces(_ e: Expression) -> [Piece]? {
    switch e {
    case .interval(let a, let b, let left, let right):
      guard a.isScalar, b.isScalar else { return nil }
      return [
        Piece(
          left: a, right: b, isLeftClosed: left && !isInfinite(a), isRightClosed: right && !isInfinite(b))
      ]
    case .tuple(let items) where items.count == 2 && items.allSatisfy(\.isScalar):
      return [Piece(left: items[0], right: items[1], isLeftClosed: false, isRightClosed: false)]
    case .set(let items):
      guard items.allSatisfy(\.isScalar) else { return nil }
      return items.map { Piece(left: $0, right: $0, isLeftClosed: true, isRightClosed: true) }
    case .symbol("set R"): return [line]
    case .union(let items):
      var all: [Piece] = []
      for item in items {
        guard let some = pieces(item) else { return nil }
        all += some
      }
      return all
    case .difference(let whole, .set(let points)):
      guard case .symbol("set R") = whole, points.count <= 64, points.allSatisfy(\.isScalar) else {
        return nil
      }
      return holes(points)
    case .chain: return interval(e).flatMap(pieces)
    default: return nil
    }
  }

  /// ℝ without some points. They must be numbers, or they have no order.
  private static func holes(_ points: [Expression]) -> [Piece]? {
    let balls = BallArithmetic(Budget(20_000))
    var values: [(Double, Expression)] = []
    for point in points {
      guard let value = try? balls.value(point), value.isReal else { return nil }
      values.append((value.double, point))
    }
    values.sort { $0.0 < $1.0 }
    var result: [Piece] = []
    var left = negativeInfinity
    for (_, point) in values {
      result.append(Piece(left: left, right: point, isLeftClosed: false, isRightClosed: false))
      left = point
    }
    result.append(Piece(left: left, right: infinity, isLeftClosed: false, isRightClosed: false))
    return result
  }

  /// Joins pieces that touch: [0, 1) ∪ [1, 2] is [0, 2].
  static func merged(_ pieces: [Piece], _ comparison: AnswerComparison) throws -> [Piece] {
    guard pieces.count > 1, pieces.count <= 64 else { return pieces }
    var result: [Piece] = []
    for piece in pieces {
      var piece = piece
      var again = true
      while again {
        again = false
        for (index, other) in result.enumerated() {
          let joins = { (a: Piece, b: Piece) throws -> Bool in
            (a.isRightClosed || b.isLeftClosed) && !isInfinite(a.right)
              ? try comparison.compare(a.right, b.left).isEqual : false
          }
          if try joins(piece, other) {
            piece = Piece(
              left: piece.left, right: other.right, isLeftClosed: piece.isLeftClosed,
              isRightClosed: other.isRightClosed)
          } else if try joins(other, piece) {
            piece = Piece(
              left: other.left, right: piece.right, isLeftClosed: other.isLeftClosed,
              isRightClosed: piece.isRightClosed)
          } else {
            continue
          }
          result.remove(at: index)
          again = true
          break
        }
      }
      result.append(piece)
    }
    return result
  }

  /// The symbol or name that an inequality is about.
  static func variable(_ e: Expression) -> String? {
    guard case .chain(let sides, _) = e else { return nil }
    for side in sides { if let (name, _) = distance(side) { return name.key } }
    return sides.first(where: Names.isName)?.key
  }

  /// The x and c of |x - c|.
  private static func distance(_ e: Expression) -> (name: Expression, center: Expression)? {
    guard case .function("abs", let items) = e, items.count == 1 else { return nil }
    switch items[0] {
    case .symbol: return (items[0], .zero)
    case .sum(let parts) where parts.count == 2:
      guard case .symbol = parts[0], case .number = parts[1] else { return nil }
      return (parts[0], .negative(parts[1]))
    default: return nil
    }
  }

  /// The numbers whose distance from `center` is in an interval: 1 ≤ |x| ≤ 2.
  private static func around(
    _ center: Expression, _ low: Expression?, _ high: Expression?, isLowClosed: Bool, isHighClosed: Bool
  ) -> Expression? {
    for end in [low, high].compactMap(\.self) {
      guard let value = try? BallArithmetic(Budget(5_000)).value(end), value.isReal, !value.isNegative else {
        return nil
      }
    }
    func at(_ distance: Expression, _ isLeft: Bool) -> Expression {
      let side: Expression = isLeft ? .negative(distance) : distance
      return center == .zero ? side : .sum([center, side])
    }
    guard let low else {
      return high.map {
        .interval(at($0, true), at($0, false), isLeftClosed: isHighClosed, isRightClosed: isHighClosed)
      }
    }
    let (left, right) = (
      high.map { at($0, true) } ?? negativeInfinity, high.map { at($0, false) } ?? infinity
    )
    return .union([
      .interval(left, at(low, true), isLeftClosed: isHighClosed, isRightClosed: isLowClosed),
      .interval(at(low, false), right, isLeftClosed: isLowClosed, isRightClosed: isHighClosed),
    ])
  }

  /// The interval that an inequality in one name describes: a < x ≤ b.
  static func interval(_ e: Expression) -> Expression? {
    guard case .chain(var sides, var relations) = e else { return nil }
    if relations == [.notEqual] {
      guard Names.isName(sides[0]), sides[1].isScalar, sides[1].symbols.isEmpty else { return nil }
      return .difference(.symbol("set R"), .set([sides[1]]))
    }
    guard relations.allSatisfy(\.isInequality) else { return nil }
    if relations.allSatisfy({ $0 == .greater || $0 == .greaterOrEqual }) {
      sides.reverse()
      relations = relations.reversed().map(\.flipped)
    }
    guard relations.allSatisfy({ $0 == .less || $0 == .lessOrEqual }) else { return nil }
    let closed = relations.map { $0 == .lessOrEqual }
    let others = sides.filter { distance($0) == nil }
    if let place = sides.firstIndex(where: { distance($0) != nil }), let (_, center) = distance(sides[place]),
      others.count == sides.count - 1, sides.count == 2 || place == 1 && sides.count == 3,
      others.allSatisfy({ $0.isScalar && $0.symbols.isEmpty })
    {
      return around(
        center, place > 0 ? sides[place - 1] : nil, place + 1 < sides.count ? sides[place + 1] : nil,
        isLowClosed: place > 0 && closed[place - 1], isHighClosed: place < closed.count && closed[place])
    }
    if sides.count == 2 {
      if Names.isName(sides[0]), sides[1].isScalar, !Names.isName(sides[1]) || sides[1].symbols.isEmpty {
        return .interval(negativeInfinity, sides[1], isLeftClosed: false, isRightClosed: closed[0])
      }
      if Names.isName(sides[1]), sides[0].isScalar {
        return .interval(sides[0], infinity, isLeftClosed: closed[0], isRightClosed: false)
      }
      return nil
    }
    guard sides.count == 3, Names.isName(sides[1]), sides[0].isScalar, sides[2].isScalar else { return nil }
    return .interval(sides[0], sides[2], isLeftClosed: closed[0], isRightClosed: closed[1])
  }

  /// "x < 1 or x > 5"
  static func union(_ items: [Expression]) -> Expression? {
    var parts: [Expression] = []
    var name: String?
    for item in items {
      guard let part = interval(item), let variable = variable(item), name == nil || name == variable else {
        return nil
      }
      name = variable
      parts.append(part)
    }
    return .union(parts)
  }
}

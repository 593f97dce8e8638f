/** A number with its thousands apart: `1,234,567`. By hand: the tables of `toLocaleString` take longer to load than a page to make. */
export const grouped = (value: number): string =>
  Number.isInteger(value) ? String(value).replace(/\B(?=(?:\d{3})+$)/g, ',') : String(value)

import { fateColours } from './timeline-colours.js'

const fates = Object.keys(fateColours)
  .map((fate) => `i.${fate}{background:var(--${fate})}`)
  .join('')

/** How the page looks, wide and narrow. */
export const pageStyle = `
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:14px/1.45 system-ui,sans-serif}
header,main>section{padding:0 16px}
h1{font-size:18px;margin:14px 0 2px;overflow-wrap:anywhere}
h2{font-size:15px;margin:16px 0 6px;overflow-wrap:anywhere}
p{margin:0 0 6px;color:var(--faint)}
.remark{color:var(--text);background:var(--held);padding:4px 8px;border-radius:4px}
#tools{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin:8px 0}
#tools label{display:flex;gap:6px;align-items:center;flex:1 1 220px;max-width:420px}
input,button{font:inherit;color:inherit;background:transparent;border:1px solid var(--faint);border-radius:6px;padding:4px 10px}
input{flex:1;min-width:0}
button{cursor:pointer}
button:hover{background:var(--line)}
:focus-visible{outline:2px solid var(--received);outline-offset:1px}
output{color:var(--faint)}
#legend{display:flex;flex-wrap:wrap;gap:2px 14px;list-style:none;margin:6px 0;padding:0;font-size:12px;color:var(--faint)}
i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px}
${fates}
#frame{position:relative;overflow-y:auto;overflow-x:hidden;border-block:1px solid var(--line);overscroll-behavior:contain}
#chart{position:sticky;top:0;left:0;display:block;width:100%;height:100%;touch-action:pan-y;cursor:grab}
#tip{position:fixed;z-index:2;max-width:min(420px,90vw);background:var(--ground);border:1px solid var(--faint);border-radius:6px;padding:6px 9px;pointer-events:none;font-size:12px;overflow-wrap:anywhere;box-shadow:0 2px 10px #0003}
#chosen{border-bottom:1px solid var(--line);padding-bottom:10px}
table{border-collapse:collapse;font-size:13px}
td,th{padding:2px 14px 2px 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
td:nth-child(-n+2){white-space:nowrap}
td:nth-child(2){text-align:right;font-variant-numeric:tabular-nums}
code{font-size:12px;overflow-wrap:anywhere}
#list{margin:0;padding:0;list-style:none;columns:340px}
#list button{border:0;padding:2px 4px;text-align:left;width:100%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
`

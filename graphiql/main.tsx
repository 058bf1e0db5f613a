import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './page.css';
import { createRoot } from 'react-dom/client';
import { Page } from './page.tsx';

const container = document.getElementById('page');
if (container) createRoot(container).render(<Page />);

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  // Relative, so that the page works under whatever path the gateway, or a proxy before it, serves it from.
  base: './',
  plugins: [react()],
  worker: { format: 'es' },
  build: {
    // The editor alone is several megabytes, and is served from the same machine.
    chunkSizeWarningLimit: 8192,
    rolldownOptions: {
      // GraphiQL's own files say "use no memo" to a compiler that does not run here.
      onwarn: (warning, warn) => {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') {
          warn(warning);
        }
      },
    },
  },
});
